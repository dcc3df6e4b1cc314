"""Takes a right from everybody, or gives it back."""
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

brokers, kind, name, operation, what = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": brokers})
# The names of producers begin with that of their group.
pattern = "PREFIXED" if kind == "TRANSACTIONAL_ID" else "LITERAL"
place = (ResourceType[kind], name, ResourcePatternType[pattern], "User:*", "*")
rule = (*place, AclOperation[operation], AclPermissionType.DENY)
everything = (*place, AclOperation.ALL, AclPermissionType.ALLOW)
if what == "deny":
    # Once something has a rule, what no rule allows is denied.
    answers = admin.create_acls([AclBinding(*everything), AclBinding(*rule)])
else:
    answers = admin.delete_acls([AclBindingFilter(*rule)])
for answer in answers.values():
    answer.result(30)
