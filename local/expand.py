"""Prints a SAM template as plain CloudFormation JSON: what a deployment would send to CloudFormation.

    expand.py TEMPLATE [NAME=VALUE ...]

SAM's own translator does the work. Parameters stay parameters, with the given values as their defaults; intrinsic
functions and conditions stay as they are; the local run resolves them.
"""

import json
import os
import sys

from samtranslator.parser.parser import Parser
from samtranslator.public.sdk.template import SamTemplate
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

# The managed policies that SAM itself attaches; a deployment would ask the account for the list.
MANAGED = ("AWSLambdaBasicExecutionRole", "AWSLambdaSQSQueueExecutionRole", "AWSXrayWriteOnlyAccess")


class Policies(ManagedPolicyLoader):
    def load(self):
        return {name: "arn:aws:iam::aws:policy/service-role/" + name for name in MANAGED}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        template = yaml_parse(file)
    values = dict(pair.split("=", 1) for pair in sys.argv[2:])
    for name, value in values.items():
        template["Parameters"][name]["Default"] = value

    # Where each function's code is: a deployment would have packaged it, and SAM insists on a bucket.
    sources = {}
    for name, resource in SamTemplate(template).iterate():
        if resource.type == "AWS::Serverless::Function":
            sources[name] = resource.properties.get("CodeUri")
            resource.properties["CodeUri"] = "s3://bucket/key"

    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
    plain = Translator(Policies(None).load(), Parser()).translate(sam_template=template, parameter_values=values)
    for name, source in sources.items():
        plain["Resources"][name].setdefault("Metadata", {})["Source"] = source
    json.dump(plain, sys.stdout)


main()
