import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addMoney, formatMoney, parseMoney, percentOf } from '../src/money.ts';

describe('parseMoney', () => {
  it('reads whole amounts', () => assert.deepEqual(parseMoney('12', 'EUR'), { amount: 1200, currency: 'EUR' }));
  it('reads cents', () => assert.equal(parseMoney('12.50', 'EUR').amount, 1250));
  it('reads negative amounts', () => assert.equal(parseMoney('-0.05', 'EUR').amount, -5));
  it('refuses what is none', () => assert.throws(() => parseMoney('12,5', 'EUR'), /not an amount/));
});

describe('formatMoney', () => {
  it('writes cents', () => assert.equal(formatMoney({ amount: 1205, currency: 'EUR' }), '12.05 EUR'));
  it('writes negative amounts', () => assert.equal(formatMoney({ amount: -5, currency: 'USD' }), '-0.05 USD'));
});

it('adds amounts of one currency', () => {
  const euro = { amount: 100, currency: 'EUR' };
  assert.deepEqual(addMoney(euro, euro), { amount: 200, currency: 'EUR' });
  assert.throws(() => addMoney(euro, { amount: 1, currency: 'USD' }), /cannot be added/);
});

it('takes a share', () => assert.equal(percentOf({ amount: 999, currency: 'EUR' }, 10).amount, 100));

it.todo('splits an amount evenly');
