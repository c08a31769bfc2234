import { bootstrap } from '@spooled/runtime';
import { AppModule } from './app.module.js';

await bootstrap(AppModule);
