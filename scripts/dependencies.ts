// Lists the packages that the program is installed with, their licences and install scripts, and known advisories:
// `npm run dependencies`. Ends with code 1 if an install script would run, a licence is unknown, or there is an advisory.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { z } from 'zod';
import { ignoresInstallScripts, shippedPackages } from './references/shipped-packages.ts';

const root = path.join(import.meta.dirname, '..');
const shipped = await shippedPackages();
const problems: string[] = [];

for (const { name, version, licence, hasInstallScript } of shipped) {
  console.log(`${name} ${version}, ${licence}${hasInstallScript ? ', has an install script' : ''}`);
  if (licence === 'unknown') problems.push(`The licence of ${name} is unknown.`);
}
const withScript = shipped.filter(({ hasInstallScript }) => hasInstallScript).length;
console.log(`\n${shipped.length} packages, ${withScript} with an install script.`);
if (await ignoresInstallScripts()) console.log('Install scripts do not run (.npmrc).');
else problems.push('.npmrc does not say ignore-scripts=true, so install scripts would run.');

const audit = auditReport();
if (typeof audit === 'string') console.log(`Advisories are unknown: ${audit}`);
else {
  const advisories = Object.entries(audit.vulnerabilities);
  console.log(advisories.length === 0 ? 'No known advisories.' : `${advisories.length} packages with advisories:`);
  for (const [name, { severity }] of advisories) problems.push(`${name} has an advisory (${severity}).`);
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;

/** The report of `npm audit` about packages that are not for development; the reason if the registry gives none. */
function auditReport() {
  const { stdout, error } = spawnSync('npm', ['audit', '--json', '--omit=dev'], {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
    shell: process.platform === 'win32',
  });
  if (error) return error.message;
  const report = z.looseObject({ vulnerabilities: z.record(z.string(), z.looseObject({ severity: z.string() })) });
  try {
    const document: unknown = JSON.parse(stdout);
    const parsed = report.safeParse(document);
    if (parsed.success) return parsed.data;
    const refusal = z.looseObject({ message: z.string().optional(), error: z.looseObject({ summary: z.string() }) });
    const { message, error: refused } = refusal.parse(document);
    return `the registry answered: ${refused.summary || message || 'nothing'}.`;
  } catch {
    return 'npm audit printed no report; the registry may not offer it.';
  }
}
