"""The situations from which the demo's history is drawn, by theme. All of it made up; never a text of a real person."""

from typing import Final

from deploy.demo.situations.family import FAMILY
from deploy.demo.situations.land import LAND
from deploy.demo.situations.money import MONEY
from deploy.demo.situations.neighbours import NEIGHBOURS
from deploy.demo.situations.other import OTHER
from deploy.demo.situations.shape import Situation
from deploy.demo.situations.work import WORK

SITUATIONS: Final[tuple[Situation, ...]] = (*NEIGHBOURS, *FAMILY, *LAND, *WORK, *MONEY, *OTHER)
