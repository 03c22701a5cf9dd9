"""The paper venue: no order leaves; the asks on the book say what one would take."""

from lastsecond.book import Book
from lastsecond.matching import fill_or_kill
from lastsecond.orders import Intent, Result


class PaperVenue:
    """Fills an order against the asks seen at the decision, all of it or nothing."""

    label = "PAPER"

    async def buy(self, intent: Intent, book: Book) -> Result:
        """What a fill-or-kill of ``intent`` takes from ``book`` as it stands now."""
        return fill_or_kill(book.asks_within(intent.limit), intent.spend, intent.limit)
