"""The node side: installs a bundle's slice on this machine, and knows what is there.

Imports the standard library only and runs on Python 3.9, so that it ships as one zipapp.
"""
