{{/* What everything is called. */}}
{{- define "gatecrier.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "gatecrier.fullname" -}}
{{- $name := include "gatecrier.chosenName" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "'%s' can't be the name of a Service: it begins with a small letter, and has small letters, digits and '-' only; give one (--set fullnameOverride=gatecrier), or call the release otherwise" $name) -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{- define "gatecrier.chosenName" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "gatecrier.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "gatecrier.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "gatecrier.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "gatecrier.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end }}

{{- define "gatecrier.tlsSecret" -}}
{{- $own := printf "%s-tls" (include "gatecrier.fullname" .) -}}
{{- if eq .Values.tls.mode "secret" -}}{{ .Values.tls.secret.name | default $own }}{{- else -}}{{ $own }}{{- end -}}
{{- end }}

{{- define "gatecrier.priorityClass" -}}
{{- .Values.priorityClass.name | default (ternary (include "gatecrier.fullname" .) "" .Values.priorityClass.create) -}}
{{- end }}

{{- define "gatecrier.image" -}}
{{- $repository := required "image.repository is empty: build the image from the Dockerfile, push it to a registry of yours, and name it (--set image.repository=registry.example/platform/gatecrier); none is published" .Values.image.repository -}}
{{- $tag := .Values.image.tag | default (ternary "" .Chart.AppVersion (ne (.Values.image.digest | default "") "")) -}}
{{- $repository }}{{ with $tag }}:{{ . }}{{ end }}{{ with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end }}

{{/* What chooses the Pods. A StatefulSet's selector can't be changed, so this never is. */}}
{{- define "gatecrier.selector" -}}
app.kubernetes.io/name: {{ include "gatecrier.fullname" . }}
{{- end }}

{{- define "gatecrier.labels" -}}
{{ include "gatecrier.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Name, namespace and labels of an object of ours; called with (list $ SUFFIX), or with labels of its own behind them,
which outrank those of everything. */}}
{{- define "gatecrier.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "gatecrier.fullname" $root }}{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "gatecrier.labels" $root | nindent 2 }}
  {{- with merge (deepCopy (first (slice . 2) | default dict)) $root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The same of an object of the cluster. */}}
{{- define "gatecrier.clusterMetadata" -}}
{{- $root := index . 0 -}}
name: {{ include "gatecrier.fullname" $root }}{{ index . 1 }}
labels:
  {{- include "gatecrier.labels" $root | nindent 2 }}
  {{- with $root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
