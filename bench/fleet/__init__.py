"""A sweep over several machines: what is dealt to whom, on executors that others have made.

A **shard** is some whole cases, measured on one machine by `pytest bench` as somebody would type it
there. A **node** is what measures one shard at a time, a **kind** all nodes whose times may be
compared: equal machines with equal code. Every kind measures every case; machines are compared by
ratios alone.

- `asked`: a command line on its way to another machine
- `node`: what runs there
- `copies`, `stored`: the journals' copies, and from them a result file per kind
- `queues`, `scheduling`: who measures what next; pure, on anybody's clock
- `executors`: how to reach nodes: processes, ssh, SLURM, Ray
- `probes`, `running`: what nodes are, and what they say
- `driver`, `progress`: the loop, and how far it is
"""
