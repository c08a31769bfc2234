import { Injectable } from '@nestjs/common';
import { ingestionApi, type IngestedJob } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { IngestionService, type Incoming } from './ingestion.service.js';

@Injectable()
export class IngestionController {
  constructor(private readonly ingestion: IngestionService) {}

  @Route(ingestionApi.custom)
  custom(request: RequestOf<typeof ingestionApi.custom>): Promise<IngestedJob> {
    return this.ingestion.custom(incoming(request));
  }

  @Route(ingestionApi.github)
  github(request: RequestOf<typeof ingestionApi.github>): Promise<IngestedJob> {
    return this.ingestion.github(incoming(request));
  }

  @Route(ingestionApi.stripe)
  stripe(request: RequestOf<typeof ingestionApi.stripe>): Promise<IngestedJob> {
    return this.ingestion.stripe(incoming(request));
  }
}

function incoming({
  params,
  headers,
  body,
}: Pick<RequestOf<typeof ingestionApi.custom>, 'params' | 'headers' | 'body'>): Incoming {
  return { organizationId: params.org_id, headers, text: body };
}
