import { Injectable } from '@nestjs/common';
import { dashboardApi } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { DashboardService } from './dashboard.service.js';

/** Edge, HTTP: the overview. */
@Injectable()
export class DashboardController {
  constructor(private readonly dashboard: DashboardService) {}

  @Route(dashboardApi.read)
  read({ principal }: RequestOf<typeof dashboardApi.read>) {
    return this.dashboard.read(principal);
  }
}
