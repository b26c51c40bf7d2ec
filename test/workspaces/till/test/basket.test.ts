import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Basket } from '../src/basket.ts';

const euro = (amount: number) => ({ amount, currency: 'EUR' });

describe('a basket', () => {
  it('is empty at first', () => {
    const basket = new Basket('EUR');
    assert.deepEqual([basket.size, basket.total()], [0, euro(0)]);
  });

  it('counts what is put in, one line per article', () => {
    const basket = new Basket('EUR');
    basket.add('tea', euro(250));
    basket.add('tea', euro(250), 2);
    basket.add('milk', euro(99));
    basket.audit();
    assert.deepEqual([basket.size, basket.total()], [4, euro(849)]);
  });

  it('takes a discount off', () => {
    const basket = new Basket('EUR');
    basket.add('tea', euro(1000));
    assert.deepEqual(basket.discounted(15), euro(850));
  });
});
