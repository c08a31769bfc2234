/** The dashboard in a real browser: getting in, and out again. */
import { DashboardBrowser } from '../harness/browser.js';
import { World } from '../harness/world.js';

describe('signing in', () => {
  let world: World;
  let browser: DashboardBrowser;

  beforeAll(async () => {
    world = await World.start('standalone');
    browser = await DashboardBrowser.start(world);
  }, 60_000);
  afterAll(() => world.stop());

  it('opens the overview with a good key, live, and shows a job without a reload', async () => {
    const organization = await world.organization('browser-good');
    const { page, problems } = await browser.signedIn(organization);
    const id = await organization.client.enqueue('emails');
    await page.getByRole('link', { name: id }).first().waitFor();
    expect(problems).toEqual([]);
  }, 60_000);
});
