#!/bin/sh
# Makes an inventory.
