"""Prints a SAM template as plain CloudFormation JSON: what a deployment would send to CloudFormation.

    expand.py TEMPLATE REGION

SAM's own translator does the work. Parameters, conditions and intrinsic functions stay as they are; the local run
resolves them, so one expansion serves every run of a template.
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
    path, region = sys.argv[1:]
    os.environ["AWS_DEFAULT_REGION"] = region
    with open(path, encoding="utf-8") as file:
        template = yaml_parse(file)
    for _, resource in SamTemplate(template).iterate():
        if resource.type == "AWS::Serverless::Function":
            # A deployment would have packaged the code. The key tells the local run which folder to build.
            resource.properties["CodeUri"] = "s3://local/" + resource.properties["CodeUri"]
        if resource.type == "AWS::Serverless::StateMachine" and isinstance(resource.properties.get("DefinitionUri"), str):
            # Packaged as well. The local run reads the file by its key, so what is in it is no part of this expansion.
            resource.properties["DefinitionUri"] = "s3://local/" + resource.properties["DefinitionUri"]
    plain = Translator(Policies(None).load(), Parser()).translate(sam_template=template, parameter_values={})
    json.dump(plain, sys.stdout)


main()
