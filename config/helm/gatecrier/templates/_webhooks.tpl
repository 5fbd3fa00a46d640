{{/* What both kinds of webhook configurations have in common. */}}

{{/* The CA, where it is known or somebody else puts it in. */}}
{{- define "gatecrier.webhookAnnotations" -}}
{{- $annotations := deepCopy .Values.webhooks.annotations -}}
{{- if eq .Values.tls.mode "certManager" -}}
{{- $_ := set $annotations "cert-manager.io/inject-ca-from" (printf "%s/%s" .Release.Namespace (include "gatecrier.tlsSecret" .)) -}}
{{- end -}}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Who is called, and whom the API server trusts then; called with (dict "root" $ "path" "/modes"). */}}
{{- define "gatecrier.client" -}}
{{- $root := .root -}}
service: {name: {{ include "gatecrier.fullname" $root }}, namespace: {{ $root.Release.Namespace }}, path: {{ .path }}}
{{- if eq $root.Values.tls.mode "secret" }}
{{- $ca := required "tls.secret.caBundle is empty: give the CA of the certificate, base64 of PEM (--set tls.secret.caBundle=$(base64 -w0 < ca.crt))" $root.Values.tls.secret.caBundle }}
{{- if not (contains "-----BEGIN" (b64dec $ca)) }}
{{- fail "tls.secret.caBundle is no PEM in base64: give the CA of the certificate (--set tls.secret.caBundle=$(base64 -w0 < ca.crt))" }}
{{- end }}
caBundle: {{ $ca }}
{{- end }}
{{- end }}

{{/* Whether a request makes or changes the label of a namespace, in CEL. */}}
{{- define "gatecrier.labelChanges" -}}
{{- $label := include "gatecrier.modeLabel" . -}}
object.?metadata.?labels[?'{{ $label }}'].orValue('')
!= (request.operation == 'CREATE' ? '' : oldObject.?metadata.?labels[?'{{ $label }}'].orValue(''))
{{- end }}

{{/* One webhook but for its rules; called with (dict "root" $ "verb" "validate" "mode" "enforce"). */}}
{{- define "gatecrier.webhook" -}}
{{- $root := .root -}}
{{- $enforces := eq .mode "enforce" -}}
name: {{ .mode }}.{{ .verb }}.gatecrier.dev
admissionReviewVersions: [v1]
sideEffects: {{ ternary "NoneOnDryRun" "None" (eq .verb "validate") }}
{{- /* Ignore where nothing may be blocked, and for /mutate: what it should have pinned and did not, /validate refuses. */}}
failurePolicy: {{ ternary $root.Values.webhooks.enforce.failurePolicy "Ignore" (and $enforces (eq .verb "validate")) }}
matchPolicy: Equivalent
timeoutSeconds: {{ $root.Values.webhooks.timeoutSeconds }}
clientConfig:
  {{- include "gatecrier.client" (dict "root" $root "path" (printf "/%s/%s" .verb .mode)) | nindent 2 }}
namespaceSelector:
  matchExpressions:
    {{- if $enforces }}
    - {key: {{ include "gatecrier.modeLabel" $root }}, operator: In, values: [enforce]}
    {{- else }}
    - {key: {{ include "gatecrier.modeLabel" $root }}, operator: NotIn, values: [enforce, "off"]}
    {{- end }}
    {{- /* Neither may lock itself out: a cluster, and Gatecrier, must be able to start. */}}
    - {key: kubernetes.io/metadata.name, operator: NotIn, values: {{ include "gatecrier.excluded" $root }}}
matchConditions:
  {{- /* An error here would count by failurePolicy, so none of these can have one, whatever the object holds. */}}
  - name: is-not-being-deleted
    expression: >-
      request.operation != 'UPDATE' || !object.?metadata.?deletionTimestamp.hasValue()
  {{- /* An update of metadata alone, or (in Kubernetes' own kinds) one that leaves the Pod's template as it is, brings no
  image. One that overrides is asked about all the same. */}}
  - name: may-bring-an-image
    {{- $annotation := dig "break_glass" "annotation" "gatecrier.dev/break-glass" $root.Values.config }}
    expression: >-
      request.operation != 'UPDATE'
      || !(object.?spec.hasValue() && object.?spec == oldObject.?spec
      || request.kind.group in ['', 'apps', 'batch'] && object.?spec.?template.hasValue()
      && object.?spec.?template == oldObject.?spec.?template)
      || object.?metadata.?annotations[?'{{ $annotation }}'].orValue('')
      != oldObject.?metadata.?annotations[?'{{ $annotation }}'].orValue('')
{{- end }}
