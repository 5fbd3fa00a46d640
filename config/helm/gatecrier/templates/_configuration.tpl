{{/* The configuration, and what the other manifests must know of it. */}}

{{/* The port of an address such as ":8443". */}}
{{- define "gatecrier.port" -}}
{{- regexFind "[0-9]+$" . -}}
{{- end }}

{{/* The replica that makes incidents of what all decide, which no label of a Pod says: the first. */}}
{{- define "gatecrier.collector" -}}
{{- $name := include "gatecrier.fullname" . -}}
{{- dig "incidents" "collector" (printf "%s-0.%s-replicas:8444" $name $name) .Values.config -}}
{{- end }}

{{/* What of the configuration is taken at a start only, as one word: where it has changed, Pods are replaced. */}}
{{- define "gatecrier.takenAtStart" -}}
{{- $config := include "gatecrier.configuration" . | fromYaml -}}
{{- $taken := list -}}
{{- range list "webhook.listen" "webhook.processes" "webhook.max_body" "operations.listen" "outbox.url" "incidents.collector" -}}
{{- $keys := splitList "." . -}}
{{- $taken = append $taken (dig (first $keys) (last $keys) "" $config) -}}
{{- end -}}
{{- toJson $taken | sha256sum | trunc 16 -}}
{{- end }}

{{/* Whether the program asks the API server for anything; "" if not. */}}
{{- define "gatecrier.asksApi" -}}
{{- if or (eq .Values.tls.mode "managed") (not (kindIs "invalid" .Values.config.kubernetes)) -}}true{{- end -}}
{{- end }}

{{/* A duration in milliseconds. */}}
{{- define "gatecrier.milliseconds" -}}
{{- $number := regexFind "^[0-9.]+" . | float64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- mulf $number (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000) $unit) | int -}}
{{- end }}

{{/* Namespaces that the API server never asks us about. */}}
{{- define "gatecrier.excluded" -}}
{{- concat (list "kube-system" .Release.Namespace) .Values.webhooks.excludeNamespaces | uniq | toJson -}}
{{- end }}

{{/* The label that says how strict a namespace is. */}}
{{- define "gatecrier.modeLabel" -}}
{{- dig "enforcement" "label" "gatecrier.dev/mode" .Values.config -}}
{{- end }}

{{/* Whether the configuration enforces anywhere by itself, without a label; "" if not. */}}
{{- define "gatecrier.fileEnforces" -}}
{{- $enforcement := .Values.config.enforcement | default dict -}}
{{- if or (eq ($enforcement.default | default "detect") "enforce") (has "enforce" (values ($enforcement.namespaces | default dict))) -}}true{{- end -}}
{{- end }}

{{/* gatecrier.yaml. */}}
{{- define "gatecrier.configuration" -}}
{{- $config := deepCopy .Values.config -}}
{{- $deadline := include "gatecrier.milliseconds" ($config.webhook.deadline | default "8s") | int -}}
{{- if ge $deadline (mul 1000 .Values.webhooks.timeoutSeconds | int) -}}
{{- fail (printf "config.webhook.deadline (%s) must be below webhooks.timeoutSeconds (%v): the API server would give up before it is answered" $config.webhook.deadline .Values.webhooks.timeoutSeconds) -}}
{{- end -}}
{{- range $part := list "webhook" "operations" -}}
{{- $listen := get (get $config $part) "listen" -}}
{{- if regexMatch "^(127\\.|localhost:|\\[::1\\])" $listen -}}
{{- fail (printf "config.%s.listen (%s) is loopback, where nobody reaches it from outside of the Pod: leave the address away (\":%s\")" $part $listen (include "gatecrier.port" $listen)) -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.tls.mode "managed" -}}
{{- $_ := set $config.webhook "tls" "managed" -}}
{{- $_ := set $config "kubernetes" ($config.kubernetes | default (dict "api" "in-cluster")) -}}
{{- else -}}
{{- $_ := set $config.webhook "tls" (dict "certificate" "/run/secrets/tls/tls.crt" "key" "/run/secrets/tls/tls.key") -}}
{{- end -}}
{{- $enforcement := $config.enforcement | default dict -}}
{{- $_ := set $enforcement "label" (include "gatecrier.modeLabel" .) -}}
{{- $_ := set $enforcement "never_block" (concat (list "kube-system" .Release.Namespace) ($enforcement.never_block | default list) | uniq) -}}
{{- $_ := set $config "enforcement" $enforcement -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- $_ := set $config "incidents" (merge ($config.incidents | default dict) (dict "collector" (include "gatecrier.collector" .))) -}}
{{- end -}}
{{- if .Values.templates -}}
{{- $_ := set $config "templates" (merge (dict "directory" "/etc/gatecrier-templates") ($config.templates | default dict)) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end }}
