import { Module } from '@nestjs/common';
import { DashboardFiles } from './dashboard-files.js';

/** The room: its built files at `/`. Needs the global module of HTTP. */
@Module({ providers: [DashboardFiles] })
export class DashboardModule {}
