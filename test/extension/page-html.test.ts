import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pageHtml } from '../../src/extension/page-html.ts';

describe('a page of the extension', () => {
  const html = pageHtml({ title: 'Unmask', script: 'x:/a.js', style: 'x:/a.css', source: 'x:', nonce: 'n0' });

  it('may run its script, load its style and fonts, and nothing else', () => {
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1];
    assert.equal(
      policy,
      "default-src 'none'; script-src 'nonce-n0'; style-src x:; font-src x:; base-uri 'none'; form-action 'none'",
    );
  });

  it('contains that script and no inline code', () => {
    assert.deepEqual(html.match(/<script[^>]*>/g), ['<script nonce="n0" src="x:/a.js">']);
    assert.doesNotMatch(html, /<style|\son\w+=|javascript:/);
  });
});
