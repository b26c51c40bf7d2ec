import './page.css';
import './report.css';
import type { ReportData, ReportPage } from '../src/protocol/report.ts';
import { curves } from './curves.ts';
import { denoisings } from './denoising.ts';
import { element } from './element.ts';
import { headline } from './headline.ts';
import { samples } from './samples.ts';
import { settings } from './settings.ts';

/** The page of a report: shows the record that is embedded in the page. */
const source = document.getElementById('report-data');
const main = document.getElementById('report');
if (source && main) show(JSON.parse(source.textContent ?? '') as ReportPage, main);

function show({ data, verdicts }: ReportPage, main: HTMLElement): void {
  main.append(
    masthead(data),
    headline(data.headline, verdicts),
    denoisings(data.denoisings),
    curves(data.steps, data.evaluations),
    samples(data.samples),
    settings(data),
  );
}

function masthead(data: ReportData): HTMLElement {
  const written = new Date(data.createdAt);
  const date = Number.isNaN(written.getTime())
    ? data.createdAt
    : `${data.createdAt.slice(0, 16).replace('T', ' ')} UTC`;
  const sections = [
    ['result', 'Result'],
    ['denoising', 'Denoising'],
    ['curves', 'Curves'],
    ['samples', 'Samples'],
    ['settings', 'Settings and machine'],
  ];
  return element(
    'header',
    {},
    element('p', { class: 'kicker' }, 'Unmask · run report · ', element('time', { datetime: data.createdAt }, date)),
    element('h1', {}, data.title),
    ...data.summary.map((paragraph) => element('p', { class: 'summary' }, paragraph)),
    element(
      'nav',
      { 'aria-label': 'Sections' },
      ...sections.map(([id, title]) => element('a', { href: `#${id}` }, title ?? '')),
    ),
  );
}
