{{/* The name of the operator's Deployment, ServiceAccount and roles. */}}
{{- define "creel.operator" -}}
{{ .Release.Name }}-operator
{{- end }}

{{/* The operator's image. It also contains creel-shell, which gateway and sandbox Pods copy from it. */}}
{{- define "creel.image" -}}
{{- $tag := .Values.operator.image.tag | default .Chart.AppVersion -}}
{{- $version := empty .Values.operator.image.digest | ternary (printf ":%s" $tag) (printf "@%s" .Values.operator.image.digest) -}}
{{ .Values.operator.image.repository }}{{ $version }}
{{- end }}

{{/* The selector of the Deployment. It is immutable, so these labels must never change. */}}
{{- define "creel.selector" -}}
app.kubernetes.io/name: creel
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "creel.labels" -}}
{{ include "creel.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
