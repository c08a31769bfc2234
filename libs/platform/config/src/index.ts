export { ConfigError, env, loadConfig } from './load-config.js';
export { environmentName, isProduction } from './environment.js';
export { Secret } from './secret.js';
