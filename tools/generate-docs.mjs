// Writes the pages of docs/ that are made from the code: `npm run build && node tools/generate-docs.mjs`.
import { writeFile } from 'node:fs/promises';
import { errorsPage } from '../libs/contracts/dist/errors-page.js';

await writeFile(new URL('../docs/errors.md', import.meta.url), errorsPage());
