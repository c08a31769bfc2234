import { createProjectGraphAsync } from '@nx/devkit';
import nx from '@nx/eslint-plugin';
import { createNodeResolver, flatConfigs as importX } from 'eslint-plugin-import-x';
import prettier from 'eslint-config-prettier';
import reactHooks from 'eslint-plugin-react-hooks';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

// The boundary rule reads the project graph from a cache and skips itself, with a warning only, when there is none.
await createProjectGraphAsync({ exitOnError: true });

const tests = [
  '**/*.spec.ts',
  '**/test/**/*.ts',
  'apps/e2e/**/*.ts',
  'libs/platform/testing/**/*.ts',
];

/** The platform libraries in the order in which they build on each other: one may import only earlier ones. */
const platformOrder = {
  config: [],
  telemetry: ['config'],
  runtime: ['config', 'telemetry'],
  postgres: ['config', 'telemetry', 'runtime'],
  nats: ['config', 'telemetry', 'runtime'],
  http: ['config', 'telemetry', 'runtime', 'postgres', 'nats'],
  access: ['config', 'telemetry', 'runtime', 'nats', 'http'],
  grpc: ['config', 'telemetry', 'runtime', 'nats', 'http', 'access'],
  audit: ['config', 'telemetry', 'runtime', 'postgres'],
  'event-log': ['config', 'telemetry', 'runtime', 'nats', 'postgres'],
  // The way out to addresses that customers give.
  outbound: [],
  // Starts servers for the laptop and the tests; knows nothing of how services run.
  embedded: [],
};

/** Who may import whom, by the tags in each project's package.json. Tests may use `testing` too, everywhere. */
function boundaries({ isTest }) {
  const arrow = (sourceTag, ...targets) => ({
    sourceTag,
    onlyDependOnLibsWithTags: isTest ? [...targets, 'type:testing'] : targets,
  });
  return [
    'error',
    {
      allow: [],
      enforceBuildableLibDependency: false,
      depConstraints: [
        // What services say to each other is plain data: it must be readable without any of our code.
        arrow('type:contracts'),
        // How services run holds no domain word, so it can never need a service.
        arrow('type:platform', 'type:contracts', 'type:platform'),
        ...Object.entries(platformOrder).map(([library, earlier]) =>
          arrow(
            `platform:${library}`,
            'type:contracts',
            ...earlier.map((name) => `platform:${name}`),
          ),
        ),
        arrow('type:testing', 'type:contracts', 'type:platform'),
        // A room never imports another room: they meet on the bus.
        arrow('type:service', 'type:contracts', 'type:platform'),
        // The one project that composes rooms into a process.
        arrow('type:host', 'type:contracts', 'type:platform', 'type:service', 'type:dashboard'),
        // It is published, also to browsers: what it needs of us must be types.
        arrow('type:sdk', 'type:contracts'),
        // A page, and the server of its files; what the page may not have of these is said below.
        arrow('type:dashboard', 'type:contracts', 'type:sdk', 'type:platform'),
        // What it can do, every client can.
        arrow('type:cli', 'type:contracts', 'type:sdk'),
        // Black box: it may know what clients know, and how to start servers.
        arrow('type:e2e', 'type:contracts', 'type:sdk', 'type:testing'),
      ],
    },
  ];
}

/** Imports that only some places may have, with the reason that is shown to whoever tries. */
const bans = {
  postgresDriver: {
    regex: '^(pg|typeorm)(/|$)',
    message:
      'Only platform/postgres talks to the driver, so that every statement is scoped and named.',
  },
  natsClient: {
    regex: '^@nats-io/',
    message:
      'Only platform/nats and platform/event-log know the client, so that every message is checked.',
  },
  tracer: {
    regex: '^@opentelemetry/',
    message:
      'Only platform/telemetry knows the tracer, so that nothing of it runs unless it is wanted.',
  },
  schemas: {
    regex: '^(@spooled/contracts|zod)(/|$)',
    allowTypeImports: true,
    message: 'Schemas are many times the size of the client: it takes their types only.',
  },
  platform: {
    regex: '^@spooled/(?!(contracts|sdk)(/|$))',
    message: 'A page is a client like any other.',
  },
  nodeOnly: {
    regex: '^node:',
    message: 'The client runs in browsers too.',
  },
  testing: {
    regex: '^@spooled/testing$',
    message: 'Test servers and doubles must never reach production.',
  },
  sql: {
    regex: '^@spooled/postgres$',
    importNames: ['sql'],
    message: 'SQL stands in *.sql.ts, where everyone looks for it.',
  },
  impureDomain: {
    regex: '^(?!@spooled/contracts$|\\./)',
    message:
      'domain/ is pure: it imports the contracts and its siblings, and gets the rest as arguments.',
  },
  storeOutwards: {
    regex: '^@spooled/(?!(contracts|postgres|event-log|audit|telemetry)$)',
    message: 'store/ binds, runs and maps; whoever needs more than the database is a service.',
  },
};

/** One zone of the repository and what it may not import. A later zone replaces an earlier one. */
function zone(files, names, ignores = []) {
  const patterns = names.map((name) => bans[name]);
  return {
    files,
    ignores,
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] },
  };
}

export default defineConfig(
  globalIgnores([
    '**/dist/',
    '**/node_modules/',
    '.nx/',
    '.spooled/',
    'coverage/',
    'bench-results/',
  ]),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.recommendedTypeChecked],
    plugins: { '@nx': nx, 'import-x': importX.recommended.plugins['import-x'] },
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    settings: {
      // The compiler has resolved every import already; the cycle check only has to find our own files.
      'import-x/resolver-next': [
        createNodeResolver({
          extensions: ['.ts', '.tsx', '.js'],
          extensionAlias: { '.js': ['.ts', '.tsx', '.js'] },
        }),
      ],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts', '.tsx'] },
      'import-x/extensions': ['.ts', '.tsx'],
    },
    rules: {
      // The rooms and the platform order stay what docs/architecture.md draws.
      '@nx/enforce-module-boundaries': boundaries({ isTest: false }),
      // A cycle between files means that neither can be understood, or loaded, first.
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      // A rejection that nobody handles ends the process; `void` says that it was thought of.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      // `any` switches the checker off where it is needed most: at the edges.
      '@typescript-eslint/no-explicit-any': 'error',
      // Types vanish at run time and should look so. Files with decorators are exempt by the rule itself: Nest reads
      // constructor types at run time, so their imports must be values.
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      // A switch over states must be looked at when a state is added.
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      // A method that is async because its interface is, without awaiting yet, is no mistake.
      '@typescript-eslint/require-await': 'off',
      // An underscore says "here because the signature wants it".
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ExportDefaultDeclaration',
          message: 'A name that every importer must use can be searched for.',
        },
        {
          selector: 'ExportAllDeclaration',
          message: 'A barrel says what it offers, name by name.',
        },
      ],
      // The environment is read once, checked, and frozen; code that reads it later surprises its operator.
      'no-restricted-properties': [
        'error',
        {
          object: 'process',
          property: 'env',
          message: 'Only platform/config reads the environment.',
        },
      ],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },

  // What may be imported where.
  zone(['**/*.ts'], ['postgresDriver', 'natsClient', 'tracer', 'testing', 'sql']),
  zone(['**/*.sql.ts'], ['postgresDriver', 'natsClient', 'tracer', 'testing']),
  zone(['libs/platform/postgres/**/*.ts'], ['natsClient', 'tracer', 'testing']),
  zone(['libs/platform/nats/**/*.ts'], ['postgresDriver', 'tracer', 'testing', 'sql']),
  zone(['libs/platform/event-log/**/*.ts'], ['postgresDriver', 'tracer', 'testing']),
  zone(['libs/platform/telemetry/**/*.ts'], ['postgresDriver', 'natsClient', 'testing', 'sql']),
  // Servers are told to be ready by the driver itself; no service's statement passes here.
  zone(['libs/platform/embedded/**/*.ts'], ['natsClient', 'testing']),
  zone(
    ['apps/*/src/**/store/*.ts'],
    ['postgresDriver', 'natsClient', 'tracer', 'testing', 'storeOutwards'],
  ),
  zone(['apps/*/src/**/domain/*.ts'], ['impureDomain']),
  zone(
    ['libs/sdk/src/**/*.ts'],
    ['postgresDriver', 'natsClient', 'testing', 'schemas', 'nodeOnly'],
  ),
  zone(
    ['apps/dashboard/src/**/*.{ts,tsx}'],
    ['postgresDriver', 'natsClient', 'platform', 'schemas', 'nodeOnly'],
  ),
  // Entries of the client that no browser loads.
  zone(['libs/sdk/src/grpc.ts', 'libs/sdk/src/testing.ts'], ['schemas', 'testing']),
  // The doctor looks at them as an operator would, from outside.
  zone(['apps/cli/src/doctor/*.ts'], ['testing']),
  // Tests look at the database and the bus from outside, as an operator would.
  zone(tests, []),

  // Hooks work only when they are called in the same order at every rendering.
  { ...reactHooks.configs.flat.recommended, files: ['apps/dashboard/src/**/*.{ts,tsx}'] },
  {
    files: ['libs/sdk/src/**/*.ts'],
    ignores: [...tests, 'libs/sdk/src/testing.ts'],
    rules: {
      // The client runs in browsers too.
      'no-restricted-globals': ['error', 'process', 'Buffer', 'setImmediate', 'global'],
    },
  },
  {
    // Where the environment is read, and where that of rooms and child processes is made.
    files: [
      'libs/platform/config/**/*.ts',
      'libs/platform/embedded/**/*.ts',
      'libs/sdk/src/testing.ts',
      'apps/standalone/src/**/*.ts',
      'apps/cli/src/environment.ts',
      ...tests,
    ],
    rules: { 'no-restricted-properties': 'off' },
  },
  {
    files: tests,
    rules: {
      '@nx/enforce-module-boundaries': boundaries({ isTest: true }),
      // Test doubles and spies are looked at as values.
      '@typescript-eslint/unbound-method': 'off',
      // Answers of the server under test are checked by the assertions, not by the compiler.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
  // Formatting is Prettier's alone; two opinions would fight.
  prettier,
);
