{{/* Values that contradict each other or lack what is needed end here, with a sentence that names them. */}}
{{- define "spooled.checks" -}}
{{- $all := include "spooled.allServices" . | fromYaml -}}
{{- if and .Values.part (not .Values.fullnameOverride) -}}
{{- fail "fullnameOverride is empty, but part is set: releases of one installation need one name in common." -}}
{{- end -}}
{{- if not (has .Values.part (concat (list "" "shared") (keys $all))) -}}
{{- fail (printf "part is %q, which is neither `shared` nor one of the enabled services (%s)." .Values.part (keys $all | sortAlpha | join ", ")) -}}
{{- end -}}
{{- if not .Values.secrets.existingSecret -}}
{{- fail "secrets.existingSecret is empty: name the Secret that holds JWT_SECRET and the other keys of `secretEnv`. The chart makes no secrets; k8s/demo does, for evaluation." -}}
{{- end -}}
{{- if and .Values.nats.url .Values.nats.existingSecret -}}
{{- fail "nats.url and nats.existingSecret are both set: exactly one of them says where NATS is." -}}
{{- end -}}
{{- if not (or .Values.nats.url .Values.nats.existingSecret) -}}
{{- fail "nats.url is empty, and so is nats.existingSecret: one of them must say where NATS is. The chart brings none; k8s/demo does, for evaluation." -}}
{{- end -}}
{{- if regexMatch "://[^/]*@" .Values.nats.url -}}
{{- fail "nats.url holds credentials: put it into a Secret and name that in nats.existingSecret." -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "ingress.host is empty, but ingress.enabled is true." -}}
{{- end -}}
{{- if and .Values.gateway.enabled (not .Values.gateway.host) -}}
{{- fail "gateway.host is empty, but gateway.enabled is true." -}}
{{- end -}}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) -}}
{{- fail "gateway.parentRefs is empty, but gateway.enabled is true: name the Gateway that the routes belong to." -}}
{{- end -}}
{{- if and .Values.monitoring.serviceMonitor.enabled .Values.monitoring.podMonitor.enabled -}}
{{- fail "monitoring.serviceMonitor.enabled and monitoring.podMonitor.enabled are both true: everything would be scraped twice." -}}
{{- end -}}
{{- include "spooled.checkTracing" . -}}
{{- range list "auth" "job-api" "realtime-gateway" -}}
{{- if and $.Values.tests.enabled (not (hasKey $all .)) -}}
{{- fail (printf "tests.enabled is true, but services.%s.enabled is false: the smoke test needs it." .) -}}
{{- end -}}
{{- end -}}
{{- include "spooled.checkPlain" (list "config" .Values.config) -}}
{{- range $name, $service := $all -}}
{{- include "spooled.checkService" (list $ $name $service) -}}
{{- end -}}
{{- end }}

{{- define "spooled.checkTracing" -}}
{{- with .Values.tracing -}}
{{- if and .headers.existingSecret (not .endpoint) -}}
{{- fail "tracing.headers.existingSecret is set, but tracing.endpoint is empty: nothing is recorded until it names a collector." -}}
{{- end -}}
{{- if regexMatch "://[^/]*@" .endpoint -}}
{{- fail "tracing.endpoint holds credentials: put them into a Secret as a header and name that in tracing.headers.existingSecret." -}}
{{- end -}}
{{- if regexMatch "/v1/traces/?$" .endpoint -}}
{{- fail "tracing.endpoint ends with /v1/traces, which services add to it." -}}
{{- end -}}
{{- if and .endpoint $.Values.networkPolicy.enabled (not $.Values.networkPolicy.collector.to) -}}
{{- fail "networkPolicy.collector.to is empty, but tracing.endpoint is set: no span would leave its pod. Name the collector's namespace, pods or addresses." -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "spooled.checkService" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $service := index . 2 }}{{ $at := printf "services.%s" $name -}}
{{- if and $service.database (not $root.Values.postgres.existingSecret) (not $service.postgres.existingSecret) -}}
{{- fail (printf "postgres.existingSecret is empty, and so is %s.postgres.existingSecret: one of them must name the Secret that says where PostgreSQL is. The chart brings no database; k8s/demo does, for evaluation." $at) -}}
{{- end -}}
{{- if and $service.postgres.existingSecret (not $service.database) -}}
{{- fail (printf "%s.postgres.existingSecret is set, but %s.database is false." $at $at) -}}
{{- end -}}
{{- if and $service.grpcTls.existingSecret (not $service.grpc) -}}
{{- fail (printf "%s.grpcTls.existingSecret is set, but %s.grpc is false." $at $at) -}}
{{- end -}}
{{- if and $service.routes.grpc (not $service.grpc) -}}
{{- fail (printf "%s.routes.grpc names services, but %s.grpc is false." $at $at) -}}
{{- end -}}
{{- $needed := add $service.preStopSeconds $service.drainSeconds -}}
{{- if le (int $service.terminationGracePeriodSeconds) (int $needed) -}}
{{- fail (printf "%s.terminationGracePeriodSeconds is %v, which must be more than preStopSeconds + drainSeconds (%d): the process would be killed while it drains." $at $service.terminationGracePeriodSeconds (int $needed)) -}}
{{- end -}}
{{- with $service.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "%s.autoscaling.minReplicas is %v, more than its maxReplicas (%v)." $at .minReplicas .maxReplicas) -}}
{{- end -}}
{{- if and .enabled (not .metrics) -}}
{{- fail (printf "%s.autoscaling.enabled is true, but its metrics are empty." $at) -}}
{{- end -}}
{{- end -}}
{{- range $variable, $_ := $service.secretEnv -}}
{{- if or (hasKey $service.env $variable) (hasKey $root.Values.config $variable) -}}
{{- fail (printf "%s.secretEnv.%s is given in plain values too: only one of them can count." $at $variable) -}}
{{- end -}}
{{- end -}}
{{- include "spooled.checkPlain" (list (printf "%s.env" $at) $service.env) -}}
{{- $env := mergeOverwrite (deepCopy $root.Values.config) $service.env -}}
{{- if and (eq (toString $env.EMAIL_PROVIDER) "smtp") $root.Values.networkPolicy.enabled (not $service.egress.internet) (not $service.egress.extra) -}}
{{- fail (printf "%s.egress.internet is false, but EMAIL_PROVIDER is smtp: let it out (egress.internet, with ports), or say in egress.extra where the mail server is." $at) -}}
{{- end -}}
{{- end }}

{{/* Nothing secret in plain values. Of a list: where they are, and they. */}}
{{- define "spooled.checkPlain" -}}
{{- $at := index . 0 -}}
{{- range $variable, $_ := index . 1 -}}
{{- if regexMatch "^OTEL_EXPORTER_OTLP_(TRACES_)?ENDPOINT$" $variable -}}
{{- fail (printf "%s.%s has a value of its own, which lets spans out too: tracing.endpoint." $at $variable) -}}
{{- end -}}
{{- if regexMatch "(SECRET|_KEY$|PEPPER|TOKEN|PASSWORD|^DATABASE_URL$|_HEADERS$|^SMTP_URL$|^NATS_URL$)" $variable -}}
{{- fail (printf "%s.%s is secret or has a value of its own: name a Secret (secretEnv, postgres.existingSecret, nats, tracing.headers) instead." $at $variable) -}}
{{- end -}}
{{- end -}}
{{- end }}
