export { isLoopbackAddress, isPublicAddress } from './address.js';
export { OutboundError, OutboundHttp } from './outbound-http.js';
export type { OutboundAnswer, OutboundOptions, OutboundRequest } from './outbound-http.js';
export type { ResolveName } from './resolve-name.js';
export { urlProblem } from './url-problem.js';
export type { OutboundRules } from './url-problem.js';
