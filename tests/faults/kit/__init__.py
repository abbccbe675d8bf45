"""How things are broken, and how it is told whether anything was lost.

county      real counties: nats-servers, programs, wires, in a folder of their own     desks   people who save all the while
truth       what must hold when the fault is over (checkers)                           database the hub's PostgreSQL
whole       nodes inside this program, for `truth`                 afterwards one store by itself, after a power cut
proxy netns wires and networks that fail      powercut inject fulldisk clock           disks and clocks that fail
"""
