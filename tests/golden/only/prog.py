from pkg import db, web


def main():
    return web.page()


main()
db.query("direct")
