import { z } from 'zod';
import { planLimits } from './plans.js';

/** What is used of one resource that the plan limits by count. */
export const usageItem = z.object({
  current: z.int(),
  limit: z.number().nullable().describe('null = unlimited'),
  percentage: z
    .number()
    .nullable()
    .describe('of the limit, more than 100 after a downgrade; null when the limit is null or 0'),
  is_disabled: z.boolean().describe('the limit is 0'),
});
export type UsageItem = z.output<typeof usageItem>;

const usage = z.object({
  jobs_today: usageItem.describe('since 00:00 UTC'),
  active_jobs: usageItem,
  queues: usageItem,
  workers: usageItem,
  api_keys: usageItem,
  schedules: usageItem,
  workflows: usageItem,
  webhooks: usageItem,
});
export const usedResource = usage.keyof();
export type UsedResource = z.output<typeof usedResource>;

export const usageWarning = z.object({
  resource: usedResource,
  message: z.string(),
  severity: z.enum(['warning', 'critical']),
});
export type UsageWarning = z.output<typeof usageWarning>;

/** What an organization uses of what its plan allows, and where that becomes scarce. */
export const usageInfo = z.object({
  plan: planLimits.shape.tier,
  plan_display_name: z.string(),
  limits: planLimits,
  usage,
  warnings: z
    .array(usageWarning)
    .describe('`warning` from 50 % on the free plan and 80 % elsewhere, `critical` from 100 %'),
});
export type UsageInfo = z.output<typeof usageInfo>;
