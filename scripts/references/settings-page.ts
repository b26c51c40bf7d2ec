import { readFile } from 'node:fs/promises';
import path from 'node:path';

interface Setting {
  readonly type: string;
  readonly default: unknown;
  readonly scope: 'machine' | 'window' | 'resource';
  readonly enum?: readonly string[];
  readonly enumDescriptions?: readonly string[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly description?: string;
  readonly markdownDescription?: string;
}

const scopes = {
  machine: 'user settings only, so that no workspace can change it',
  window: 'user and workspace settings',
  resource: 'user, workspace and folder settings',
};

/** docs/settings.md: every setting of the extension, from the manifest. */
export async function settingsPage(): Promise<string> {
  const manifest = JSON.parse(await readFile(path.join(import.meta.dirname, '..', '..', 'package.json'), 'utf8'));
  const settings = Object.entries(manifest.contributes.configuration.properties as Record<string, Setting>);
  return `# Settings

<!-- Generated from package.json by \`npm run docs\`. Change the descriptions there. -->

The settings of the extension in VS Code. Open them with \`Preferences: Open Settings (UI)\` and search for *Unmask*.
\`unmask --help\` shows the options of the \`unmask\` command. The settings of a training run are called
[hyper-parameters](hyper-parameters.md).

${settings.map(([name, setting]) => section(name, setting)).join('\n')}`;
}

function section(name: string, setting: Setting): string {
  const { type, default: fallback, scope, enum: values = [], enumDescriptions = [] } = setting;
  const choices = values.map((value, index) => {
    const about = enumDescriptions[index];
    return `  - \`${value}\`${about ? `: ${about}` : ''}\n`;
  });
  return `## \`${name}\`

${setting.markdownDescription ?? setting.description}

- Type: ${values.length > 0 ? 'one of' : type}${range(setting)}
${choices.join('')}- Default: \`${JSON.stringify(fallback)}\`
- Set in: ${scopes[scope]}
`;
}

function range({ minimum, exclusiveMinimum, maximum }: Setting): string {
  const bounds = [
    ...(minimum === undefined ? [] : [`at least ${minimum}`]),
    ...(exclusiveMinimum === undefined ? [] : [`above ${exclusiveMinimum}`]),
    ...(maximum === undefined ? [] : [`at most ${maximum}`]),
  ];
  return bounds.length === 0 ? '' : `, ${bounds.join(' and ')}`;
}
