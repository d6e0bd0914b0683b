"""The cluster's zones in the name server that a node has."""

from kcompile.apply.dns.part import converge as converge
from kcompile.apply.dns.part import differences as differences
from kcompile.apply.dns.places import recorded_choice as recorded_choice
from kcompile.apply.dns.servers import CHOICES as CHOICES
