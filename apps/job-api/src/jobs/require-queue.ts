import { AppError, canUseQueue, type Principal } from '@spooled/contracts';

/** @throws AppError `ACCESS_DENIED` */
export function requireQueue(caller: Principal, queueName: string): void {
  if (canUseQueue(caller, queueName)) return;
  throw new AppError('ACCESS_DENIED', `This key may not use the queue ${queueName}.`);
}
