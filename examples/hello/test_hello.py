import unittest


class Hello(unittest.TestCase):
    def test_the_page_names_its_release(self):
        page = open("public/index.html").read()
        self.assertIn(open("RELEASE").read().strip(), page)
        self.assertIn("<h1>Hello", page)


if __name__ == "__main__":
    unittest.main()
