"""Takes the right to write a topic from everybody, or gives it back."""
import sys

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

brokers, topic, what = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": brokers})
rule = (
    ResourceType.TOPIC,
    topic,
    ResourcePatternType.LITERAL,
    "User:*",
    "*",
    AclOperation.WRITE,
    AclPermissionType.DENY,
)
everything = (*rule[:5], AclOperation.ALL, AclPermissionType.ALLOW)
if what == "deny":
    # Once a topic has a rule, what no rule allows is denied.
    answers = admin.create_acls([AclBinding(*everything), AclBinding(*rule)])
else:
    answers = admin.delete_acls([AclBindingFilter(*rule)])
for answer in answers.values():
    answer.result(30)
