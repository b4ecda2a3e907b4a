package main

var aclCommand = &command{
	name:    "acl",
	summary: "Policies and tokens, and which rule decides: policy, token, explain",
	sub: []*command{
		{name: "policy", summary: "Policies: apply, list, info, delete", sub: []*command{policyApply, policyList, policyInfo, policyDelete}},
		{name: "token", summary: "ACL tokens: create, list, info, delete, self", sub: []*command{tokenCreate, tokenList, tokenInfo, tokenDelete, tokenSelf}},
		aclExplain,
	},
}
