{{- define "distrifs.name" -}}
{{- if contains "distrifs" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-distrifs{{ end }}
{{- end }}

{{- define "distrifs.selector" -}}
app.kubernetes.io/name: distrifs
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "distrifs.labels" -}}
{{ include "distrifs.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{/* The masters that begin the cluster together, HOST:PORT each. */}}
{{- define "distrifs.masters" -}}
{{- $name := include "distrifs.name" . }}
{{- $domain := printf "%s-master.%s.svc%s" $name .Release.Namespace .Values.clusterDomain }}
{{- range $n := until (int .Values.master.replicas) }}
{{- if $n }},{{ end }}{{ $name }}-master-{{ $n }}.{{ $domain }}:9800
{{- end }}
{{- end }}

{{/* What both kinds of pods have: who they run as, and where. */}}
{{- define "distrifs.pod" -}}
automountServiceAccountToken: false
terminationGracePeriodSeconds: 30
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
  podAntiAffinity:
    {{- if eq .values.antiAffinity "hard" }}
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- include "distrifs.selector" . | nindent 12 }}
    {{- end }}
    preferredDuringSchedulingIgnoredDuringExecution:
      {{- if eq .values.antiAffinity "soft" }}
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels: {{- include "distrifs.selector" . | nindent 14 }}
      {{- end }}
      - weight: 50
        podAffinityTerm:
          topologyKey: topology.kubernetes.io/zone
          labelSelector:
            matchLabels: {{- include "distrifs.selector" . | nindent 14 }}
{{- end }}

{{- define "distrifs.container" -}}
image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}"
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
env:
  - name: POD_NAME
    valueFrom: { fieldRef: { fieldPath: metadata.name } }
  - name: NODE_NAME
    valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
  - name: DISTRIFS_LOG
    value: {{ .root.Values.logLevel | quote }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
# A server that opens much takes its time: it is not killed for that. One that hangs is.
startupProbe:
  httpGet: { path: /healthz, port: http }
  periodSeconds: 5
  failureThreshold: 120
livenessProbe:
  httpGet: { path: /healthz, port: http }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: http }
  periodSeconds: 5
  timeoutSeconds: 3
resources: {{- toYaml .values.resources | nindent 2 }}
{{- end }}
