{{/* Prefix of all names. Names of Services have no dots, and 63 characters leave room for `-operator` and the like. */}}
{{- define "camstream.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "camstream.operatorName" -}}
{{ include "camstream.fullname" . }}-operator
{{- end }}

{{/* Names of our kinds have at most 40 characters. */}}
{{- define "camstream.testName" -}}
{{ include "camstream.fullname" . | trunc 35 | trimSuffix "-" }}-test
{{- end }}

{{/* Labels that never change: a selector of a Deployment cannot. Takes a dict of context and component. */}}
{{- define "camstream.selectorLabels" -}}
app.kubernetes.io/name: {{ default .context.Chart.Name .context.Values.nameOverride | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/instance: {{ .context.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "camstream.labels" -}}
{{ include "camstream.selectorLabels" . }}
app.kubernetes.io/part-of: camstream
app.kubernetes.io/version: {{ .context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .context.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* What the operator puts on every worker. */}}
{{- define "camstream.workerLabels" -}}
app.kubernetes.io/name: camstream-worker
app.kubernetes.io/managed-by: camstream-operator
{{- end }}

{{- define "camstream.serviceAccountName" -}}
{{- $made := ternary (include "camstream.operatorName" .) "default" .Values.operator.serviceAccount.create -}}
{{- default $made .Values.operator.serviceAccount.name -}}
{{- end }}

{{/* Takes a dict of context and image. */}}
{{- define "camstream.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ default .context.Chart.AppVersion .image.tag }}
{{- end -}}
{{- end }}

{{- define "camstream.imagePullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The strictest that Pod Security knows. */}}
{{- define "camstream.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "camstream.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* The namespace where `helm test` makes its camera: one that is watched. */}}
{{- define "camstream.testNamespace" -}}
{{- if or (empty .Values.watchNamespaces) (has .Release.Namespace .Values.watchNamespaces) -}}
{{ .Release.Namespace }}
{{- else -}}
{{ first .Values.watchNamespaces }}
{{- end -}}
{{- end }}

{{/* The operator's settings file. */}}
{{- define "camstream.settings" -}}
{{- $names := list }}
{{- range .Values.workerClasses }}
  {{- $names = append $names .name }}
{{- end }}
{{- if not (has "default" $names) }}
  {{- fail (printf "workerClasses: one of them must be named \"default\", for objects that name none; found: %s" (join ", " $names)) }}
{{- end }}
{{- if ne (len $names) (len (uniq $names)) }}
  {{- fail (printf "workerClasses: each name may be given once; found: %s" (join ", " $names)) }}
{{- end -}}
namespaces: {{ toJson .Values.watchNamespaces }}
workerImage: {{ include "camstream.image" (dict "context" . "image" .Values.worker.image) }}
workerImagePullPolicy: {{ .Values.worker.image.pullPolicy }}
workerClasses:
  {{- toYaml .Values.workerClasses | nindent 2 }}
leaseName: {{ include "camstream.operatorName" . }}
{{- if .Values.gateway.enabled }}
backgroundsUrl: http://{{ include "camstream.gatewayName" . }}.{{ .Release.Namespace }}.svc:8080/api/v1/backgrounds
{{- end }}
{{- end }}

{{/* All that the operator does where it watches. Children go with their owner; it deletes only what asks for that with lifecycle.deleteWhenIdle. */}}
{{- define "camstream.operatorRules" -}}
- apiGroups: [camstream.dev]
  resources: [cameras, pipelines]
  verbs: [list, watch, delete]
- apiGroups: [camstream.dev]
  resources: [backgrounds]
  verbs: [get, list, watch]
- apiGroups: [camstream.dev]
  resources: [cameras/status, pipelines/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [services, configmaps]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* All that the gateway does: what its clients ask for. Where they may only read, it writes the annotation that starts a stream on demand. */}}
{{- define "camstream.gatewayRules" -}}
- apiGroups: [camstream.dev]
  resources: [cameras, pipelines]
  verbs: {{ ternary "[get, list, watch, create, update, delete]" "[get, list, watch, update]" .Values.gateway.rest.enabled }}
- apiGroups: [camstream.dev]
  resources: [backgrounds]
  verbs: {{ ternary "[get, list, watch, create, delete]" "[get, list, watch, create]" .Values.gateway.rest.enabled }}
- apiGroups: [camstream.dev]
  resources: [backgrounds/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
{{- end }}

{{/* Who may use the gateway: None, Tokens or TokenReview. */}}
{{- define "camstream.gatewayAuth" -}}
{{- $secret := .Values.gateway.tokensSecret }}
{{- $auth := default (ternary "Tokens" "None" (ne $secret "")) .Values.gateway.auth }}
{{- if and (eq $auth "Tokens") (not $secret) }}
{{- fail "gateway.auth: Tokens needs the name of a Secret in gateway.tokensSecret" }}
{{- end }}
{{- if and (ne $auth "Tokens") $secret }}
{{- fail (printf "gateway.auth: %s does not use the Secret in gateway.tokensSecret (%s); take one of the two away" $auth $secret) }}
{{- end }}
{{- $auth }}
{{- end }}

{{- define "camstream.gatewayName" -}}
{{ include "camstream.fullname" . }}-gateway
{{- end }}

{{/* The one namespace whose objects clients of cam_server see and change. */}}
{{- define "camstream.gatewayHome" -}}
{{- default (include "camstream.testNamespace" .) .Values.gateway.namespace -}}
{{- end }}
