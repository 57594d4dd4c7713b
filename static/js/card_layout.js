// @ts-check
/** How wide each card is on the grid of eight columns, so that hairlines line up and no row is left with a hole. Pure. */

export const COLUMNS = 8;

/** @typedef {{tiles: number, isShort: boolean}} CardSize isShort: its two values are short enough for compact tiles */
/** @typedef {{span: number, columns: number, isCompact: boolean}} CardPlace columns of tiles within the card */

/**
 * Places cards in their order.
 * @param {CardSize[]} cards
 * @returns {CardPlace[]}
 */
export function placeCards(cards) {
  /** @type {CardPlace[]} */
  const places = [];
  /** @type {CardPlace[]} */
  let row = [];
  let left = COLUMNS;
  cards.forEach((card, i) => {
    const place = naturalPlace(card);
    if (place.span > left) {
      fillRow(row, left);
      [row, left] = [[], COLUMNS];
    }
    const followsSingle = card.tiles === 2 && card.isShort && left === 4 && cards[i + 1]?.tiles === 1;
    if (followsSingle) Object.assign(place, { span: 2, isCompact: true });
    row.push(place);
    places.push(place);
    left -= place.span;
  });
  fillRow(row, left);
  return places;
}

/** @param {CardSize} card @returns {CardPlace} */
function naturalPlace({ tiles }) {
  if (tiles <= 1) return { span: 2, columns: 1, isCompact: false };
  if (tiles === 2) return { span: 4, columns: 2, isCompact: false };
  return { span: COLUMNS, columns: 4, isCompact: false };
}

/** Widens the cards of a row until it is full, the last ones first. @param {CardPlace[]} row @param {number} left */
function fillRow(row, left) {
  for (let i = row.length - 1; i >= 0 && left > 0; i--) {
    const place = row[i];
    while (place.span <= left && place.span < COLUMNS) {
      left -= place.span;
      place.span *= 2;
      place.isCompact = false;
    }
  }
}
