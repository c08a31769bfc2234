{{- define "spooled.fullname" -}}
{{ default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Whether this release holds what no service owns. */}}
{{- define "spooled.isShared" -}}
{{ if has .Values.part (list "" "shared") }}true{{ end }}
{{- end }}

{{/* Every enabled service of the installation with its defaults filled in, as YAML. */}}
{{- define "spooled.allServices" -}}
{{- range $name, $given := .Values.services }}
{{- $service := mergeOverwrite (deepCopy $.Values.serviceDefaults) (deepCopy $given) }}
{{- if $service.enabled }}
{{ dict $name $service | toYaml }}
{{- end }}
{{- end }}
{{- end }}

{{/* Those of them that this release holds. */}}
{{- define "spooled.services" -}}
{{- range $name, $service := include "spooled.allServices" . | fromYaml }}
{{- if has $.Values.part (list "" $name) }}
{{ dict $name $service | toYaml }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels of all objects. Of a list: the root, and the component. */}}
{{- define "spooled.labels" -}}
{{ include "spooled.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end }}

{{/* Labels that select the pods of a component. Not the release: a service may move to one of its own. */}}
{{- define "spooled.selector" -}}
{{ include "spooled.installation" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels that select all pods of the installation. */}}
{{- define "spooled.installation" -}}
app.kubernetes.io/name: spooled
app.kubernetes.io/instance: {{ include "spooled.fullname" . }}
{{- end }}

{{/* Of a list: the root, the name and the service. */}}
{{- define "spooled.image" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $image := (index . 2).image -}}
{{- $repository := default (printf "%s/%s" $root.Values.image.registry $name) $image.repository -}}
{{- if $image.digest -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ coalesce $image.tag $root.Values.image.tag $root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* What is not secret in a service's environment. Of a list: the root, the name and the service. */}}
{{- define "spooled.env" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $service := index . 2 -}}
{{- $env := dict "SPOOLED_ENV" $root.Values.environment "PORT" "8080" "SERVICE_NAME" $name -}}
{{- if $service.metrics }}{{ $_ := set $env "METRICS_PORT" "9090" }}{{ end -}}
{{- if $service.grpc }}{{ $_ := set $env "GRPC_PORT" "50051" }}{{ end -}}
{{- with $service.grpcTls.existingSecret -}}
{{- $_ := set $env "GRPC_TLS_ENABLED" "true" -}}
{{- $_ := set $env "GRPC_TLS_CERT_PATH" "/etc/spooled/grpc-tls/tls.crt" -}}
{{- $_ := set $env "GRPC_TLS_KEY_PATH" "/etc/spooled/grpc-tls/tls.key" -}}
{{- end -}}
{{- if and $service.bus $root.Values.nats.url }}{{ $_ := set $env "NATS_URL" $root.Values.nats.url }}{{ end -}}
{{- if include "spooled.traces" (list $root $service) -}}
{{- $_ := set $env "OTEL_EXPORTER_OTLP_ENDPOINT" $root.Values.tracing.endpoint -}}
{{- $_ := set $env "OTEL_SERVICE_NAME" (printf "spooled-%s" $name) -}}
{{- $_ := set $env "OTEL_TRACES_SAMPLER" "parentbased_traceidratio" -}}
{{- $_ := set $env "OTEL_TRACES_SAMPLER_ARG" (toString $root.Values.tracing.samplingRatio) -}}
{{- end -}}
{{- mergeOverwrite $env (deepCopy $root.Values.config) (deepCopy $service.env) | toYaml -}}
{{- end }}

{{/* Whether a service sends spans to a collector. Of a list: the root, and the service. */}}
{{- define "spooled.traces" -}}
{{ if and (index . 0).Values.tracing.endpoint (index . 1).tracing }}true{{ end }}
{{- end }}

{{/* The URL of a database. Of a list: places to look for its Secret, the first that names one counts. */}}
{{- define "spooled.databaseUrl" -}}
{{- $found := dict -}}
{{- range . }}{{ if and .existingSecret (not $found.existingSecret) }}{{ $found = . }}{{ end }}{{ end -}}
name: DATABASE_URL
valueFrom:
  secretKeyRef: { name: {{ $found.existingSecret }}, key: {{ $found.key }} }
{{- end }}

{{/* What is secret in a service's environment; empty for a service that has no secret. Of a list: the root, and the service. */}}
{{- define "spooled.secretEnv" -}}
{{- $root := index . 0 }}{{ $service := index . 1 }}{{ $tracing := $root.Values.tracing -}}
{{- if $service.database -}}
- {{- include "spooled.databaseUrl" (list $service.postgres $root.Values.postgres) | nindent 2 }}
{{ end }}
{{- if and $service.bus $root.Values.nats.existingSecret -}}
- name: NATS_URL
  valueFrom:
    secretKeyRef: { name: {{ $root.Values.nats.existingSecret }}, key: {{ $root.Values.nats.key }} }
{{ end }}
{{- if and (include "spooled.traces" .) $tracing.headers.existingSecret -}}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef: { name: {{ $tracing.headers.existingSecret }}, key: {{ $tracing.headers.key }} }
{{ end }}
{{- range $variable, $from := $service.secretEnv -}}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ default $root.Values.secrets.existingSecret $from.secret }}
      key: {{ default $variable $from.key }}
      optional: {{ default false $from.optional }}
{{ end }}
{{- end }}

{{- define "spooled.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "spooled.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* The name of an object. Of a list: the root, and the service or whatever it is for. */}}
{{- define "spooled.name" -}}
{{ printf "%s-%s" (include "spooled.fullname" (index . 0)) (index . 1) }}
{{- end }}

{{/* How a service is scraped; alerts and dashboards know it as the job spooled-<service>. Of a list: the root, the name and the service. */}}
{{- define "spooled.scrape" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $service := index . 2 -}}
port: metrics
path: /metrics
interval: {{ $root.Values.monitoring.interval }}
relabelings:
  - { action: replace, targetLabel: job, replacement: spooled-{{ $name }} }
{{- /* A service that is not given the token cannot ask for it. */}}
{{- if and $root.Values.monitoring.authorized (hasKey $service.secretEnv "METRICS_TOKEN") }}
{{- $token := default dict $service.secretEnv.METRICS_TOKEN }}
authorization:
  credentials:
    name: {{ default $root.Values.secrets.existingSecret $token.secret }}
    key: {{ default "METRICS_TOKEN" $token.key }}
{{- end }}
{{- end }}
