/** An arithmetic expression that was read to its end: its value, and the numbers as they stand in it, left to right. */
export interface Arithmetic {
  /** Infinity and NaN never stand here: a division by zero makes the whole expression worthless. */
  readonly value: number;
  readonly literals: readonly number[];
}

/** How deep brackets and signs may nest; what goes deeper is no answer. */
const deepest = 200;

/**
 * Reads numbers, + - * /, signs and round brackets, with the usual precedence, in double precision. With `python`, what
 * Python's `eval` makes of the same characters: also `**` and `//`, and no line break outside brackets. Null where the
 * text is not one whole expression, a number has a leading zero, or the value does not exist.
 */
export function readArithmetic(text: string, python = false): Arithmetic | null {
  const reader = new Reader(text, python);
  try {
    const value = reader.sum(0);
    return reader.atEnd() && Number.isFinite(value) ? { value, literals: reader.literals } : null;
  } catch (error) {
    if (error instanceof NoExpression) return null;
    throw error;
  }
}

class NoExpression extends Error {}

/** Recursive descent: one method per level of precedence; `depth` counts the brackets and signs that are open. */
class Reader {
  readonly literals: number[] = [];
  readonly #text: string;
  readonly #python: boolean;
  #position = 0;
  #brackets = 0;

  constructor(text: string, python: boolean) {
    this.#text = text.trim();
    this.#python = python;
  }

  sum(depth: number): number {
    let value = this.#product(depth);
    for (;;) {
      if (this.#take('+')) value += this.#product(depth);
      else if (this.#take('-')) value -= this.#product(depth);
      else return value;
    }
  }

  atEnd(): boolean {
    this.#skipSpace();
    return this.#position === this.#text.length;
  }

  #product(depth: number): number {
    let value = this.#signed(depth);
    for (;;) {
      if (this.#take('*')) value *= this.#signed(depth);
      else if (this.#python && this.#take('//')) value = Math.floor(value / nonZero(this.#signed(depth)));
      else if (this.#take('/')) value /= nonZero(this.#signed(depth));
      else return value;
    }
  }

  #signed(depth: number): number {
    if (depth > deepest) throw new NoExpression();
    if (this.#take('-')) return -this.#signed(depth + 1);
    if (this.#take('+')) return this.#signed(depth + 1);
    return this.#power(depth);
  }

  #power(depth: number): number {
    const base = this.#atom(depth);
    // Right-associative, and binds tighter than a sign before it, looser than one behind it.
    return this.#python && this.#take('**') ? finite(base ** this.#signed(depth + 1)) : base;
  }

  #atom(depth: number): number {
    if (this.#take('(')) {
      this.#brackets++;
      const value = this.sum(depth + 1);
      // Looked for while the bracket still counts as open: a line break may stand before it.
      if (!this.#take(')')) throw new NoExpression();
      this.#brackets--;
      return value;
    }
    this.#skipSpace();
    const number = /(?:\d+\.?\d*|\.\d+)/y;
    number.lastIndex = this.#position;
    const literal = number.exec(this.#text)?.[0];
    if (literal === undefined || /^0+[1-9]\d*$/.test(literal)) throw new NoExpression();
    this.#position += literal.length;
    this.literals.push(Number(literal));
    return Number(literal);
  }

  #take(symbol: '+' | '-' | '*' | '/' | '//' | '**' | '(' | ')'): boolean {
    this.#skipSpace();
    if (!this.#text.startsWith(symbol, this.#position)) return false;
    // A single * or / is never the head of a double one.
    if ((symbol === '*' || symbol === '/') && this.#text[this.#position + 1] === symbol) return false;
    this.#position += symbol.length;
    return true;
  }

  #skipSpace(): void {
    const space = this.#python && this.#brackets === 0 ? /[ \t\f]/ : /\s/;
    while (this.#position < this.#text.length && space.test(this.#text[this.#position])) this.#position++;
  }
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new NoExpression();
  return value;
}

function nonZero(divisor: number): number {
  if (divisor === 0) throw new NoExpression();
  return divisor;
}
