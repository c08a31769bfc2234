import { z } from 'zod';
import { route } from '../route.js';

export const features = z.object({
  version: z.string().describe('of the server'),
  registration: z
    .enum(['open', 'closed', 'invite'])
    .describe('who may create organizations: anyone, the administrator, nobody'),
  email_login: z.boolean().describe('whether a code that is sent to an address logs in'),
  email_signup: z.boolean().describe('whether such a code also makes a new organization'),
  billing: z.boolean().describe('whether plans can be paid here'),
});
export type Features = z.output<typeof features>;

/** What a client need not offer, because this server does not. */
export const featuresApi = {
  read: route({
    service: 'auth',
    method: 'GET',
    path: '/features',
    auth: 'public',
    summary: 'Read what this server has switched on; the answer holds for a minute.',
    responses: { 200: features },
  }),
};
