"""A pytest plugin (`-p tests.simulation.planted`): plants the mutation that the environment names before any test is read."""

import os

from tests.simulation.mutations import ENV, named
from tests.simulation.planting import plant

for cut in named(os.environ[ENV]).cuts:
    plant(cut)
