/** One configuration for every project; `npm test -- <path>` runs a part of it. */
export default {
  testEnvironment: '<rootDir>/libs/platform/testing/jest-environment.mjs',
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/k8s'],
  testMatch: ['**/*.spec.ts'],
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest'] },
  moduleNameMapper: {
    '^@spooled/(contracts|sdk)$': '<rootDir>/libs/$1/src/index.ts',
    '^@spooled/sdk/testing$': '<rootDir>/libs/sdk/src/testing.ts',
    '^@spooled/(config|telemetry|runtime|postgres|nats|http|access|grpc|audit|event-log|outbound|embedded|testing)$':
      '<rootDir>/libs/platform/$1/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  globalSetup: '<rootDir>/libs/platform/testing/jest-global-setup.mjs',
  globalTeardown: '<rootDir>/libs/platform/testing/jest-global-teardown.mjs',
  // Tests wait for conditions: how long only decides when a hopeless one is given up, also on a machine that is busy.
  testTimeout: 300_000,
};
