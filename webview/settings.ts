import type { ReportData } from '../src/protocol/report.ts';
import { element, missing, section } from './element.ts';
import { label } from './numbers.ts';

/** The section with the machine and the settings of the run, which reproduce it. */
export function settings({ environment, settings }: ReportData): HTMLElement {
  const values = settingRows(settings);
  return section(
    'settings',
    'Settings and machine',
    element('h3', {}, 'Machine and versions'),
    environment.length > 0 ? pairs(environment) : missing('The machine was not recorded.'),
    element('h3', {}, 'Settings'),
    values.length > 0 ? pairs(values) : missing('The settings were not recorded.'),
  );
}

/** Hyper-parameters with labels, for display. */
export const settingRows = (settings: ReportData['settings']): { label: string; value: string }[] =>
  Object.entries(settings).map(([name, value]) => ({
    label: label(name),
    value: typeof value === 'string' ? value : JSON.stringify(value),
  }));

/** Labels and values in columns. */
export function pairs(rows: readonly { readonly label: string; readonly value: string }[]): HTMLElement {
  return element(
    'dl',
    { class: 'pairs grid' },
    ...rows.map((row) => element('div', {}, element('dt', {}, row.label), element('dd', {}, row.value))),
  );
}
