"""Objects in the user's notation: YAML in, objects and words out."""

import pytest

from kcompile.load import load
from kcompile.model import Object, Objects
from kcompile.problems import InputError
from kcompile.validate import validate


def objects_of(text: str, name: str = "shop.yaml") -> Objects:
    return validate(load([(name, text)]))


def only_object(text: str) -> Object:
    (item,) = objects_of(text).items
    return item


def problems_in(text: str, name: str = "shop.yaml") -> list[str]:
    with pytest.raises(InputError) as caught:
        objects_of(text, name)
    return [str(problem) for problem in caught.value.problems]


def notes_on(text: str, name: str = "shop.yaml") -> list[str]:
    return [str(problem) for problem in objects_of(text, name).notes]


SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  selector: {app: shop}
  ports: [{port: 80}]
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers: [{name: web, image: "example.com/shop:1"}]
"""
