/** Values that cannot work end in a sentence that names them. */
import { describeWithHelm, enough, helmTimeoutMs, template } from './render.js';

/** Enough, and a collector that pods may reach. */
const traced = [
  ...enough,
  'tracing.endpoint=http://collector:4318',
  'networkPolicy.collector.to[0].podSelector.matchLabels.app=collector',
];

describeWithHelm('the chart refuses', () => {
  it.each([
    ['what is enough', enough],
    ['a collector', traced],
    [
      'one anywhere when nothing is closed',
      [...enough, traced.at(-2)!, 'networkPolicy.enabled=false'],
    ],
  ])(
    'nothing of %s',
    async (_, values) => {
      expect(await template(...values)).toMatchObject({ status: 0, stderr: '' });
    },
    helmTimeoutMs,
  );

  it.each<[string, string[]]>([
    ['secrets.existingSecret is empty', enough.slice(1)],
    ['postgres.existingSecret is empty', [enough[0]!, enough[2]!]],
    ['nats.url is empty', enough.slice(0, 2)],
    ['nats.url and nats.existingSecret are both set', [...enough, 'nats.existingSecret=nats']],
    ['nats.url holds credentials', [...enough, 'nats.url=nats://u:p@nats:4222']],
    ['fullnameOverride is empty', [...enough, 'part=auth']],
    ['part is "nobody"', [...enough, 'part=nobody', 'fullnameOverride=spooled']],
    ['ingress.host is empty', [...enough, 'ingress.enabled=true']],
    ['gateway.host is empty', [...enough, 'gateway.enabled=true']],
    ['gateway.parentRefs is empty', [...enough, 'gateway.enabled=true', 'gateway.host=a.b']],
    [
      'would be scraped twice',
      [...enough, 'monitoring.serviceMonitor.enabled=true', 'monitoring.podMonitor.enabled=true'],
    ],
    ['tests.enabled is true', [...enough, 'services.auth.enabled=false']],
    ['config.JWT_SECRET is secret', [...enough, 'config.JWT_SECRET=abc']],
    [
      'services.scheduler.env.DB_PASSWORD is secret',
      [...enough, 'services.scheduler.env.DB_PASSWORD=p'],
    ],
    [
      'services.scheduler.terminationGracePeriodSeconds is 30',
      [...enough, 'services.scheduler.terminationGracePeriodSeconds=30'],
    ],
    [
      'services.job-api.autoscaling.minReplicas is 9',
      [
        ...enough,
        'services.job-api.autoscaling.enabled=true',
        'services.job-api.autoscaling.minReplicas=9',
      ],
    ],
    [
      'services.auth.autoscaling.enabled is true, but its metrics are empty',
      [...enough, 'services.auth.autoscaling.enabled=true'],
    ],
    [
      'services.auth.egress.internet is false, but EMAIL_PROVIDER is smtp',
      [...enough, 'services.auth.env.EMAIL_PROVIDER=smtp'],
    ],
    [
      'services.auth.grpcTls.existingSecret is set, but services.auth.grpc is false',
      [...enough, 'services.auth.grpcTls.existingSecret=tls'],
    ],
    [
      'services.dashboard.postgres.existingSecret is set, but services.dashboard.database is false',
      [...enough, 'services.dashboard.postgres.existingSecret=postgres'],
    ],
    ['/services/dashboard/bus', [...enough, 'services.dashboard.bus=nats']],
    ['networkPolicy.collector.to is empty, but tracing.endpoint is set', traced.slice(0, -1)],
    [
      'tracing.headers.existingSecret is set, but tracing.endpoint is empty',
      [...enough, 'tracing.headers.existingSecret=collector'],
    ],
    ['tracing.endpoint holds credentials', [...traced, 'tracing.endpoint=https://u:p@collector']],
    [
      'tracing.endpoint ends with /v1/traces',
      [...traced, 'tracing.endpoint=http://collector:4318/v1/traces'],
    ],
    ['/tracing/endpoint', [...traced, 'tracing.endpoint=collector:4317']],
    ['/tracing/samplingRatio', [...traced, 'tracing.samplingRatio=5']],
    [
      'config.OTEL_EXPORTER_OTLP_ENDPOINT has a value of its own',
      [...traced, 'config.OTEL_EXPORTER_OTLP_ENDPOINT=http://elsewhere:4318'],
    ],
    [
      'services.auth.env.OTEL_EXPORTER_OTLP_HEADERS is secret',
      [...traced, 'services.auth.env.OTEL_EXPORTER_OTLP_HEADERS=authorization=x'],
    ],
    ["additional properties 'replica' not allowed", [...enough, 'services.auth.replica=3']],
    ['/image/tag', [...enough, 'image.tag=latest']],
    ['/config/NATS_STREAM_REPLICAS', [...enough, 'config.NATS_STREAM_REPLICAS=two']],
  ])('%s', async (sentence, values) => {
    const { status, stderr } = await template(...values);
    expect(status).not.toBe(0);
    expect(stderr).toContain(sentence);
  });
});
