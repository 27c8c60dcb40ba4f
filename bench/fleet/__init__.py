"""Several machines: what is dealt to whom, on executors that others have made.

A **shard** is some whole cases, measured on one machine by `pytest bench` as somebody would type it
there. A **node** is what measures one shard at a time, a **kind** all nodes whose times may be
compared: equal machines with equal code. Every kind measures every case; machines are compared by
ratios alone. Of a command such as ``python -m bench cost`` the only case is the command itself.

- `work`: what a fleet is asked for, of which there are two: `sweeps` and `whole_commands`, those of
  the table in `commands`
- `asked`: a command line on its way to another machine
- `programs`, `node`: what runs there
- `copies`, `kept`, `stored`: the journals' copies, and from them a result file per kind
- `queues`, `scheduling`: who measures what next; pure, on anybody's clock
- `executors`: how to reach nodes: processes, ssh, SLURM, Ray
- `probes`, `running`: what nodes are, and what they say
- `driver`, `progress`, `sitting`: the loop, how far it is, and what it needs
- `run`, `command`, `side_by_side`: from a request to what is told of all kinds
"""
