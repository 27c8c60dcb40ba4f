"""What a part costs inside anyone's network: `panet-bench cost`.

Typed options become a request, a look says what the parts are, the engine measures, and the answer
is computed from the raw rounds.
"""
