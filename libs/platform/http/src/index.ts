export { HttpModule } from './http.module.js';
export { HttpServer } from './http-server.js';
export { PrincipalResolver } from './principal-resolver.js';
export { FixedWindows, TokenBuckets } from './rate-limits.js';
export type { RateDecision } from './rate-limits.js';
export { RawJson, rawJson, Route, StatusAnswer, withStatus } from './route.decorator.js';
export type { RequestOf } from './route.decorator.js';
export { refusal } from './traffic-control.js';
export type { Upgrade, UpgradeHandler } from './upgrade-routes.js';
