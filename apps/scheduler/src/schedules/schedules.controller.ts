import { Injectable } from '@nestjs/common';
import {
  schedulesApi,
  type CreatedSchedule,
  type Schedule,
  type ScheduleRun,
  type TriggeredSchedule,
} from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { RunService } from './run.service.js';
import { ScheduleService } from './schedule.service.js';

@Injectable()
export class SchedulesController {
  constructor(
    private readonly schedules: ScheduleService,
    private readonly runs: RunService,
  ) {}

  @Route(schedulesApi.list)
  list({ principal, query }: RequestOf<typeof schedulesApi.list>): Promise<Schedule[]> {
    return this.schedules.list(principal, query.limit, query.offset);
  }

  @Route(schedulesApi.create)
  create({ principal, body }: RequestOf<typeof schedulesApi.create>): Promise<CreatedSchedule> {
    return this.schedules.create(principal, body);
  }

  @Route(schedulesApi.get)
  get({ principal, params }: RequestOf<typeof schedulesApi.get>): Promise<Schedule> {
    return this.schedules.get(principal, params.id);
  }

  @Route(schedulesApi.update)
  update({ principal, params, body }: RequestOf<typeof schedulesApi.update>): Promise<Schedule> {
    return this.schedules.update(principal, params.id, body);
  }

  @Route(schedulesApi.delete)
  delete({ principal, params }: RequestOf<typeof schedulesApi.delete>): Promise<void> {
    return this.schedules.delete(principal, params.id);
  }

  @Route(schedulesApi.pause)
  pause({ principal, params }: RequestOf<typeof schedulesApi.pause>): Promise<Schedule> {
    return this.schedules.pause(principal, params.id);
  }

  @Route(schedulesApi.resume)
  resume({ principal, params }: RequestOf<typeof schedulesApi.resume>): Promise<Schedule> {
    return this.schedules.resume(principal, params.id);
  }

  @Route(schedulesApi.trigger)
  trigger({
    principal,
    params,
  }: RequestOf<typeof schedulesApi.trigger>): Promise<TriggeredSchedule> {
    return this.runs.trigger(principal, params.id);
  }

  @Route(schedulesApi.history)
  history({
    principal,
    params,
    query,
  }: RequestOf<typeof schedulesApi.history>): Promise<ScheduleRun[]> {
    return this.runs.history(principal, params.id, query.limit, query.offset);
  }
}
