import { z } from 'zod';
import { rpc } from '../rpc.js';
import { rpcSubject } from '../subjects.js';

/** The command that a service answers when an organization is deleted. */
export function forgetOrganization(service: string) {
  return rpc({
    subject: rpcSubject(service, 'forget-organization'),
    request: z.object({ organizationId: z.uuid() }),
    response: z.object({ isDone: z.boolean() }),
    timeoutMs: 15_000,
  });
}
