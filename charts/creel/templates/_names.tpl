{{/* The operator's name: of its Deployment, ServiceAccount and roles. */}}
{{- define "creel.operator" -}}
{{ .Release.Name }}-operator
{{- end }}

{{/* The operator's image. It also holds creel-shell, which the Pods of gateways copy out of it. */}}
{{- define "creel.image" -}}
{{- $tag := .Values.operator.image.tag | default .Chart.AppVersion -}}
{{- $version := empty .Values.operator.image.digest | ternary (printf ":%s" $tag) (printf "@%s" .Values.operator.image.digest) -}}
{{ .Values.operator.image.repository }}{{ $version }}
{{- end }}

{{/* What never changes, because a Deployment's selector can't. */}}
{{- define "creel.selector" -}}
app.kubernetes.io/name: creel
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "creel.labels" -}}
{{ include "creel.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
