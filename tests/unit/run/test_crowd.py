from testbed.run.crowd import Crowd


def test_a_member_knows_the_most_that_were_there_with_it() -> None:
    crowd = Crowd()
    with crowd.join() as first:
        assert first.most == 1
        with crowd.join() as second, crowd.join() as third:
            assert third.most == 3
        with crowd.join() as later:
            pass
    assert [each.most for each in (first, second, third, later)] == [3, 3, 3, 2]
    with crowd.join() as alone:
        pass
    assert alone.most == 1
