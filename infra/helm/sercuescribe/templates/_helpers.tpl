{{/* A label of DNS, which a release's name need not be: it may have dots and begin with a digit. */}}
{{- define "sercuescribe.fullname" -}}
{{- $release := .Release.Name | replace "." "-" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if regexMatch "^[0-9]" $release -}}
{{- printf "%s-%s" .Chart.Name $release | trunc 45 | trimSuffix "-" -}}
{{- else if contains .Chart.Name $release -}}
{{- $release | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" $release .Chart.Name | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sercuescribe.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sercuescribe.labels" -}}
{{ include "sercuescribe.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "sercuescribe.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "sercuescribe.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "sercuescribe.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "sercuescribe.hasSeveralNodes" -}}
{{- if and (eq .Values.storage.backend "s3") (or .Values.autoscaling.enabled (gt (int .Values.replicas) 1)) -}}
true
{{- end -}}
{{- end -}}

{{/* Where the pods of the nodes and that of the hook may run. */}}
{{- define "sercuescribe.placement" -}}
{{- $placement := dict -}}
{{- range $field := list "priorityClassName" "nodeSelector" "tolerations" "affinity" -}}
{{- with index $.Values $field -}}
{{- $_ := set $placement $field . -}}
{{- end -}}
{{- end -}}
{{- with $placement -}}
{{ toYaml . }}
{{- end -}}
{{- end -}}

{{- define "sercuescribe.containerSecurityContext" -}}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The storage and the settings as variables; takes the root context and a secret. */}}
{{- define "sercuescribe.storageEnv" -}}
{{- $root := index . 0 -}}
{{- $secret := index . 1 -}}
- name: STORAGE_BACKEND
  value: {{ $root.Values.storage.backend }}
{{- range $name, $value := $root.Values.settings }}
- name: {{ $name }}
  {{- /* Helm reads the numbers of a file as floats: 1000000 would become 1e+06. */}}
  {{- if and (kindIs "float64" $value) (eq $value (floor $value)) }}
  value: {{ printf "%.0f" $value | quote }}
  {{- else }}
  value: {{ toString $value | quote }}
  {{- end }}
{{- end }}
{{- with $secret }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ . }}
{{- end }}
{{- end }}
{{- end -}}
