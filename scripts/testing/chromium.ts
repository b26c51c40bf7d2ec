import { existsSync } from 'node:fs';

/** Default locations of Chromium and Chrome; `UNMASK_TEST_CHROMIUM` names another one. */
const candidates = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** The Chromium that tests use; null: none is installed. */
export function findChromium(): string | null {
  const named = process.env.UNMASK_TEST_CHROMIUM;
  if (named) return existsSync(named) ? named : null;
  return candidates.find((file) => existsSync(file)) ?? null;
}
