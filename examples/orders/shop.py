"""What a shop knows for certain: its orders, and what each customer has spent."""

import mmsb
from mmsb import i64, u64

app = mmsb.App("orders", generation=1)


@app.page(key=(u64, u64), partition_by=0)
class Order(mmsb.Page):
    """By customer and number, in the partition of the customer."""

    product: str = mmsb.text(16)
    quantity: i64
    total: i64


@app.page(key=u64)
class Customer(mmsb.Page):
    orders: i64
    spent: i64


@app.intent
class Place(mmsb.Intent):
    customer: u64
    order: u64
    product: str = mmsb.text(16)
    quantity: i64 = mmsb.field(gt=0)
    price: i64 = mmsb.field(ge=0)

    def query(self):
        return Order[self.customer, self.order], Customer[self.customer]

    def delta(self, order: Order, customer: Customer) -> None:
        order.product = self.product
        order.quantity += self.quantity
        order.total += self.quantity * self.price
        customer.orders += 1
        customer.spent += self.quantity * self.price
